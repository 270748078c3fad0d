"""The names of the migrations and patches that a Wishlist at v0.66.0 has been through.

Their checksums in the made database are not those of the real migration files, which are not here: they have
the right form (the SHA-256 of something, in hexadecimal) and are the same in every lab.
"""

from __future__ import annotations

HEAD = "20251208032804_item_most_wanted"

MIGRATIONS = (
    "20221228224434_init",
    "20221229151102_init",
    "20221229153655_signup_token",
    "20221229183508_email_required",
    "20230116175745_item_approval",
    "20230201201336_lucia_key_0_5_0",
    "20230203145115_system_config",
    "20230221220353_add_item_purchased",
    "20230306173006_add_key_expires_in",
    "20230306211437_add_profile_picture",
    "20230411190603_groups",
    "20230411193602_lucia_1_0",
    "20230811191732_lucia_v2",
    "20231011193501_token_uuid",
    "20231017150829_remove_expires_in",
    "20231022025934_add_default_currency_symbols",
    "20231128030637_add_claim_show_name_config_option",
    "20240101035724_add_referential_actions",
    "20240118052807_fix_initial_config_generation",
    "20240330005940_lucia_v3_update_session_expires_at",
    "20240330011054_lucia_v3_keys_removal",
    "20240330024912_standardize_session_casing",
    "20240330035425_add_indexes_and_standardize_db_naming",
    "20240618010500_add_public_lists",
    "20240625011332_add_system_user_for_anonymous_claims",
    "20240825030505_add_display_order",
    "20240902211258_add_price_id",
    "20241203042523_add_list_relationship",
    "20241209020045_add_patches",
    "20241231233744_remove_public_list_model",
    "20250209175703_remove_item_group_relation",
    "20250214202940_create_explicit_list_item_table",
    "20250214231359_claim_migration",
    "20250220150346_move_item_claim_to_item",
    "20250329193312_item_claim_cascade_delete",
    "20250329195127_add_oauthid",
    "20250411195755_item_quantity",
    "20250623171719_nullable_item_quantity",
    "20250729011701_user_preferred_language",
    "20250729023729_list_description",
    "20250804095000_add_require_email_config",
    "20250912200907_sqlite_wal_mode",
    "20250914222933_email_case_insensitivity",
    "20251026215400_add_list_managers",
    HEAD,
)

PATCHES = ("item-price", "list-relationship", "list-item-ids")
