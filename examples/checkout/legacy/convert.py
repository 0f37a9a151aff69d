import sys
n = 0777
for line in sys.stdin:
    if line.has_key if 0 else line <> '':
        exec 'x = ' + line
        print `x`
