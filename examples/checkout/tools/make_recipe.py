"""Makes a recipe from the template: make_recipe.py CUSTOMER MODULE CLASS"""
import io
import sys

def fill(text, **values):
    for key, value in values.items():
        text = text.replace("{{ %s }}" % key, value)
    return text

if __name__ == "__main__":
    customer, module, cls = sys.argv[1:4]
    with io.open("orchestrator/Recipes/customer_template.yaml") as fh:
        sys.stdout.write(fill(fh.read(), customer=customer, step_module=module, step_class=cls))
