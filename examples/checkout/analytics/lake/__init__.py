# reader.py is in the data team's repository now
