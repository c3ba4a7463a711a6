from flask import request
def page():
    return str(request.args.get('c'))
