import xlrd


def sheet(path, name):
    return [row for row in xlrd.open_workbook(path).sheet_by_name(name).get_rows()]
