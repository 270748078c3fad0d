-- The part of Mealie's schema (revision 3897397b4631) that its own pages are made of.
CREATE TYPE authmethod AS ENUM ('MEALIE', 'LDAP', 'OIDC');
CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY);
CREATE TABLE groups (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, name varchar NOT NULL UNIQUE, slug varchar UNIQUE);
CREATE TABLE group_preferences (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, group_id uuid NOT NULL REFERENCES groups, private_group boolean);
CREATE TABLE households (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, group_id uuid NOT NULL REFERENCES groups,
    name varchar NOT NULL, slug varchar, UNIQUE (group_id, name));
CREATE TABLE household_preferences (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, household_id uuid NOT NULL REFERENCES households,
    private_household boolean, first_day_of_week integer, recipe_public boolean);
CREATE TABLE users (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, full_name varchar, username varchar UNIQUE,
    email varchar UNIQUE, password varchar, auth_method authmethod NOT NULL, admin boolean, advanced boolean,
    group_id uuid NOT NULL REFERENCES groups, household_id uuid REFERENCES households, cache_key varchar);
CREATE TABLE long_live_tokens (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, name varchar NOT NULL, token varchar NOT NULL,
    user_id uuid REFERENCES users);
CREATE TABLE categories (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, group_id uuid NOT NULL REFERENCES groups,
    name varchar NOT NULL, slug varchar NOT NULL, UNIQUE (slug, group_id));
CREATE TABLE tags (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, group_id uuid NOT NULL REFERENCES groups,
    name varchar NOT NULL, slug varchar NOT NULL, UNIQUE (slug, group_id));
CREATE TABLE tools (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, group_id uuid NOT NULL REFERENCES groups,
    name varchar NOT NULL, slug varchar NOT NULL, on_hand boolean, UNIQUE (slug, group_id));
CREATE TABLE ingredient_foods (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, group_id uuid NOT NULL REFERENCES groups,
    name varchar, name_normalized varchar, on_hand boolean NOT NULL DEFAULT false, UNIQUE (name, group_id));
CREATE TABLE ingredient_units (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, group_id uuid NOT NULL REFERENCES groups,
    name varchar, abbreviation varchar, fraction boolean, UNIQUE (name, group_id));
CREATE TABLE recipes (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, slug varchar, group_id uuid NOT NULL REFERENCES groups,
    user_id uuid REFERENCES users, name varchar NOT NULL, name_normalized varchar NOT NULL, description varchar,
    description_normalized varchar, image varchar, total_time varchar, prep_time varchar, perform_time varchar,
    recipe_yield varchar, rating double precision, org_url varchar, date_added date, date_updated timestamp,
    last_made timestamp, UNIQUE (slug, group_id));
CREATE TABLE recipe_settings (
    created_at timestamp, update_at timestamp, id serial PRIMARY KEY, recipe_id uuid REFERENCES recipes,
    public boolean, show_nutrition boolean, show_assets boolean, landscape_view boolean, locked boolean);
CREATE TABLE recipe_nutrition (
    created_at timestamp, update_at timestamp, id serial PRIMARY KEY, recipe_id uuid REFERENCES recipes,
    calories varchar, protein_content varchar, fat_content varchar);
CREATE TABLE recipes_ingredients (
    created_at timestamp, update_at timestamp, id serial PRIMARY KEY, position integer, recipe_id uuid REFERENCES recipes,
    note varchar, note_normalized varchar, unit_id uuid REFERENCES ingredient_units, food_id uuid REFERENCES ingredient_foods,
    quantity double precision, reference_id uuid);
CREATE TABLE recipe_instructions (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, recipe_id uuid REFERENCES recipes,
    position integer, type varchar, title varchar, text varchar);
CREATE TABLE recipe_assets (
    created_at timestamp, update_at timestamp, id serial PRIMARY KEY, recipe_id uuid REFERENCES recipes,
    name varchar, icon varchar, file_name varchar);
CREATE TABLE notes (
    created_at timestamp, update_at timestamp, id serial PRIMARY KEY, recipe_id uuid REFERENCES recipes, title varchar, text varchar);
CREATE TABLE recipes_to_tags (recipe_id uuid REFERENCES recipes, tag_id uuid REFERENCES tags, UNIQUE (recipe_id, tag_id));
CREATE TABLE recipes_to_categories (
    recipe_id uuid REFERENCES recipes, category_id uuid REFERENCES categories, UNIQUE (recipe_id, category_id));
CREATE TABLE recipes_to_tools (recipe_id uuid REFERENCES recipes, tool_id uuid REFERENCES tools, UNIQUE (recipe_id, tool_id));
CREATE TABLE recipe_comments (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, text varchar, recipe_id uuid NOT NULL REFERENCES recipes,
    user_id uuid NOT NULL REFERENCES users);
CREATE TABLE recipe_timeline_events (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, recipe_id uuid NOT NULL REFERENCES recipes,
    user_id uuid NOT NULL REFERENCES users, subject varchar NOT NULL, message varchar, event_type varchar, image varchar,
    "timestamp" timestamp);
CREATE TABLE users_to_recipes (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, user_id uuid NOT NULL REFERENCES users,
    recipe_id uuid NOT NULL REFERENCES recipes, rating double precision, is_favorite boolean NOT NULL, UNIQUE (user_id, recipe_id));
CREATE TABLE shopping_lists (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, group_id uuid NOT NULL REFERENCES groups,
    user_id uuid NOT NULL REFERENCES users, name varchar);
CREATE TABLE shopping_list_items (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, shopping_list_id uuid REFERENCES shopping_lists,
    position integer NOT NULL, checked boolean, quantity double precision, note varchar, food_id uuid REFERENCES ingredient_foods);
CREATE TABLE group_meal_plans (
    created_at timestamp, update_at timestamp, id serial PRIMARY KEY, date date NOT NULL, entry_type varchar NOT NULL,
    title varchar NOT NULL, text varchar NOT NULL, group_id uuid REFERENCES groups, user_id uuid REFERENCES users,
    recipe_id uuid REFERENCES recipes);
CREATE TABLE cookbooks (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, position integer NOT NULL, name varchar NOT NULL,
    slug varchar NOT NULL, description varchar, public boolean, group_id uuid REFERENCES groups,
    household_id uuid REFERENCES households, UNIQUE (slug, group_id));
CREATE TABLE cookbooks_to_categories (cookbook_id uuid REFERENCES cookbooks, category_id uuid REFERENCES categories);
CREATE TABLE webhook_urls (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, group_id uuid REFERENCES groups,
    household_id uuid REFERENCES households, enabled boolean, name varchar, url varchar, scheduled_time time);
CREATE TABLE password_reset_tokens (
    created_at timestamp, update_at timestamp, id uuid PRIMARY KEY, user_id uuid NOT NULL REFERENCES users, token varchar(64) NOT NULL UNIQUE);
CREATE TABLE invite_tokens (
    created_at timestamp, update_at timestamp, id serial PRIMARY KEY, token varchar NOT NULL UNIQUE, uses_left integer NOT NULL,
    group_id uuid REFERENCES groups, household_id uuid REFERENCES households);
CREATE TABLE server_tasks (
    created_at timestamp, update_at timestamp, id serial PRIMARY KEY, name varchar NOT NULL, completed_date timestamp,
    status varchar NOT NULL, log varchar, group_id uuid NOT NULL REFERENCES groups);
CREATE INDEX ix_recipes_group_id ON recipes (group_id);
CREATE INDEX ix_recipes_name_normalized ON recipes USING gin (name_normalized gin_trgm_ops);
CREATE INDEX ix_recipes_description_normalized ON recipes USING gin (description_normalized gin_trgm_ops);
CREATE INDEX ix_recipes_ingredients_note_normalized ON recipes_ingredients USING gin (note_normalized gin_trgm_ops);
CREATE INDEX ix_recipes_ingredients_recipe_id ON recipes_ingredients (recipe_id);
CREATE INDEX ix_recipe_instructions_recipe_id ON recipe_instructions (recipe_id);
CREATE INDEX ix_recipe_timeline_events_recipe_id ON recipe_timeline_events (recipe_id);
CREATE INDEX ix_long_live_tokens_token ON long_live_tokens (token);
