# shared by everything. do not put business logic here!!
