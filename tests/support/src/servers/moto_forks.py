"""moto's server, many times: each is forked from this process, which has loaded what takes seconds, or from one that
holds something already.

Reads one request a line: `start HOST FOLDER` and `copy NAME HOST FOLDER`, answered by the new server's name and port, on which
connections are accepted from then on; and `stop NAME`, answered by the same once it has ended. Each server writes
its log into its folder, and ends when this process does, which ends with its standard input.
"""

import contextlib
import gc
import os
import random
import signal
import socket
import sys
import threading

# moto's lists of public images: any image will do.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

from moto import backends
from moto.moto_api._internal import mock_random
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.test import Client

# It reads the folder of moto's modules for each request.
MODULES = list(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: MODULES

# A question to each service that is used.
QUESTIONS = [
    ("ec2", {"Action": "DescribeInstances", "Version": "2016-11-15"}),
    ("autoscaling", {"Action": "DescribeAutoScalingGroups", "Version": "2011-01-01"}),
    ("iam", {"Action": "ListAccountAliases", "Version": "2010-05-08"}),
    ("sts", {"Action": "GetCallerIdentity", "Version": "2011-06-15"}),
    ("s3", None),
]


def load():
    application = DomainDispatcherApplication(create_backend_app)
    application.debug = True
    client = Client(application)
    for service, form in QUESTIONS:
        headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, Signature=0"}
        if form is None:
            client.get("/", headers=headers)
        else:
            client.post("/", data=form, headers=headers)
    client.post("/moto-api/reset")
    # What is loaded stays: it need not be looked through for garbage again and again.
    gc.collect()
    gc.freeze()
    return application


def serve(application, listener, control, folder):
    """In a new process: to its end."""
    os.chdir(folder)
    log = os.open("server.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in [(nothing, 0), (log, 1), (log, 2)]:
        os.dup2(old, new)
    os.close(nothing)
    os.close(log)
    # Else all of them would give the same names.
    random.seed()
    mock_random.seed()
    host, port = listener.getsockname()
    os.environ["MOTO_PORT"] = str(port)
    handler = MotoRequestHandler
    server = make_server(host, port, application, threaded=True, request_handler=handler, fd=listener.fileno())

    def copied_or_ended():
        while True:
            message, sockets, _, _ = socket.recv_fds(control, 4096, 2)
            if not message:
                os._exit(0)
            own = [listener, server.socket, control]
            fork(application, *(socket.socket(fileno=fd) for fd in sockets), message.decode(), own)

    threading.Thread(target=copied_or_ended, daemon=True).start()
    server.serve_forever()


def fork(application, listener, control, folder, own):
    """A process that serves on `listener`; what this one has open for itself is closed there."""
    if os.fork() == 0:
        try:
            for opened in own:
                opened.close()
            serve(application, listener, control, folder)
        finally:
            os._exit(1)
    listener.close()
    control.close()


def main():
    # Nobody waits for a process that has ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    application = load()
    print("ready", flush=True)
    servers = {}
    for number, line in enumerate(sys.stdin):
        word, *rest = line.rstrip("\n").split(" ", 3)
        if word == "stop":
            # Its own only: another process may have started it before.
            if rest[0] in servers:
                with servers.pop(rest[0]) as control, contextlib.suppress(OSError):
                    control.shutdown(socket.SHUT_WR)
                    # It says nothing, and closes when it ends.
                    control.recv(1)
            print(rest[0], flush=True)
            continue
        *of, host, folder = rest
        # Here, so that whoever connects waits for the new process instead of being refused.
        listener = socket.create_server((host, 0), backlog=128)
        port = listener.getsockname()[1]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if word == "copy":
            socket.send_fds(servers[of[0]], [folder.encode()], [listener.fileno(), theirs.fileno()])
            listener.close()
            theirs.close()
        else:
            fork(application, listener, theirs, folder, [ours, *servers.values()])
        name = f"{os.getpid()}-{number}"
        servers[name] = ours
        print(name, port, flush=True)


main()
