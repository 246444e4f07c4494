"""What each model takes, makes and costs: facts in models.json, and the rules, prices and schemas made of them."""
