import smtplib

from engine.base.step import ExecStep


class SendMail(ExecStep):
    def execute(self, context, to, key="digest.text"):
        server = smtplib.SMTP("mail.example.com")
        server.sendmail("ops@example.com", [to], context.get(key))
        server.quit()
