def credentials():
    return None
