"""`recipebox admin check`: whether the database and the store agree, and mending what can be."""
