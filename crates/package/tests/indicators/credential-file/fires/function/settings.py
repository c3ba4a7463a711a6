ID = 'AKIAABCDEFGHIJKLMNOP'
SECRET = 'notasecretnotasecretnotasecretnotasecret'
