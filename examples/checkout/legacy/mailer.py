import smtplib
def send(to, text):
    print >>open('/var/log/mailer', 'a'), to
    s = smtplib.SMTP('mail'); s.sendmail('ops@example.com', to, text); s.quit()
