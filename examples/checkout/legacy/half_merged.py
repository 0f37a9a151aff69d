def total(items):
<<<<<<< HEAD
    return sum(i.price for i in items)
=======
    return sum(i["price"] * i["count"] for i in items)
>>>>>>> feature/counts
