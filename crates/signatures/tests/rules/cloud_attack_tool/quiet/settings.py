FILES = ['.aws/credentials', '.netrc', '.docker/config.json']
