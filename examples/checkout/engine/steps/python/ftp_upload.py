import ftplib

from engine.base.step import Step

USER = "stock"
PASSWORD = "Sommer2019"   # changes each summer


class Upload(Step):
    def run(self, context, args):
        ftp = ftplib.FTP(args["host"], USER, PASSWORD, timeout=10)
        with open(args["file"], "rb") as fh:
            ftp.storbinary("STOR stock.json", fh)
        ftp.quit()
        return 0
