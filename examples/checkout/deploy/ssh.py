import paramiko


def run(host, command):
    client = paramiko.SSHClient()
    client.connect(host, username="deploy")
    return client.exec_command(command)
