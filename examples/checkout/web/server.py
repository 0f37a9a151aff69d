from flask import Flask
from web.render import page

app = Flask(__name__)


@app.route("/")
def index():
    return page("mail.html", name="you", body="nothing here yet")
