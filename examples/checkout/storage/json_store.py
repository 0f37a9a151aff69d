import json
from common.paths import ensure_folder_for

def read(path):
    with open(path) as fh: return json.load(fh)

def write(path, records):
    with open(ensure_folder_for(path), 'w') as fh:
        json.dump(records, fh, indent=1, sort_keys=True); fh.write('\n')
    return len(records)
