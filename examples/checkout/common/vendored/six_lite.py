from common.vendored._types_lite import PY3, pick

text_type = pick(str, "unicode")
string_types = (str,) if PY3 else (basestring,)  # noqa: F821
integer_types = (int,) if PY3 else (int, long)  # noqa: F821
