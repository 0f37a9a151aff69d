class Ledger:
    def __init__(self, path):
        self.path = path

    def add(self, who, amount):
        with open(self.path, "a") as f:
            f.write("%s;%s\n" % (who, amount))
