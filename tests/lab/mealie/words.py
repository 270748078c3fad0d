"""The words that recipes are made of."""

from __future__ import annotations

STYLES = (
    "Slow", "Smoky", "Lemony", "Grandmother's", "Crisp", "Midweek", "Sunday", "Spiced", "Roasted", "Göran's",
)  # fmt: skip
DISHES = (
    "Fish Soup", "Apple Cake", "Lentil Dal", "Köttbullar", "Crème Brûlée", "Potato Gratin", "Rye Bread",
    "Mushroom Risotto", "Chicken Pie", "Carrot Salad",
)  # fmt: skip
FOODS = (
    "flour", "butter", "sugar", "egg", "milk", "cream", "onion", "garlic", "carrot", "potato", "lentils",
    "rice", "cod", "chicken", "minced beef", "mushroom", "apple", "lemon", "dill", "thyme", "rye flour",
    "yeast", "olive oil", "cardamom", "cumin", "crème fraîche",
)  # fmt: skip
UNITS = (
    ("gram", "g"),
    ("kilogram", "kg"),
    ("millilitre", "ml"),
    ("decilitre", "dl"),
    ("teaspoon", "tsp"),
    ("tablespoon", "tbsp"),
)
STEPS = (
    "Chop everything finely and set it aside.",
    "Melt the butter over a low heat; it must not brown.",
    "Stir in the rest, a little at a time.",
    "Let it simmer under a lid,\nand stir now and then.",
    "Season with salt, pepper and a squeeze of lemon.",
    "Bake at 200 °C until golden, 25–30 minutes.",
    "Rest it for ten minutes before serving.",
)  # fmt: skip
TAGS = ("Quick", "Vegetarian", "Freezer", "For guests", "Children's favourite", "Autumn", "Gluten-free")
CATEGORIES = ("Breakfast", "Dinner", "Dessert", "Baking")
TOOLS = ("Stand mixer", "Cast-iron pan", "Pressure cooker")
