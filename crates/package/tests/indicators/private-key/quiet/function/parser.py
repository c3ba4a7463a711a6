BEGIN = "-----BEGIN PRIVATE KEY-----"
END = "-----END PRIVATE KEY-----"
def is_key(text):
    return text.startswith(BEGIN)
