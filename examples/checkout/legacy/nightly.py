# runs on the 2.7 box. DO NOT TOUCH (Frank, 2018)
import urllib2, time
def main():
    for host in open('hosts.txt').readlines():
        try:
            print 'checking', host,
            urllib2.urlopen('http://' + host.strip(), timeout = 5)
            print 'ok'
        except urllib2.URLError, e:
            print 'DOWN:', e
            raise SystemExit, 1
main()
