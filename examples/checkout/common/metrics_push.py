import socket


def push(name, value, host="graphite", port=2003):
    s = socket.create_connection((host, port))
    s.sendall(("%s %s\n" % (name, value)).encode())
    s.close()
