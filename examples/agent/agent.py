#!/usr/bin/env python3
"""An agent that lives with Countersign: it removes a ConfigMap that nobody needs, and does what each denial says.

It needs Python 3, kubectl with the plugin kubectl-countersign, a kubeconfig with a token of the agent's service account
(KUBECONFIG), and the agent's private key:

    agent.py NAMESPACE CONFIGMAP --key deploy-bot.pem --reason "nothing reads it since 2.0"
"""

import argparse
import base64
import json
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

RETRY_SECONDS = 2
APPROVAL_TIMEOUT = "10m"


class Refused(Exception):
    """A denial after which there is nothing that an agent can do."""


class Cluster:
    """The API server of the present kubeconfig. A client library does the same."""

    def __init__(self):
        text = kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json")
        config = json.loads(text)
        cluster = config["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.server = cluster["server"]
        self.token = config["users"][0]["user"]["token"]
        self.trust = ssl.create_default_context(cadata=authority)

    def send(self, method, path):
        """Makes a request: None, or the Status that refuses it."""
        request = urllib.request.Request(self.server + path, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with urllib.request.urlopen(request, context=self.trust):
                return None
        except urllib.error.HTTPError as refused:
            return json.loads(refused.read())


def kubectl(*arguments):
    return subprocess.run(["kubectl", *arguments], check=True, capture_output=True, text=True).stdout


def made(write, explain):
    """Makes a write, and what each denial asks for, until the write is made."""
    while (status := write()) is not None:
        details = status.get("details") or {}
        causes = {cause["reason"]: cause["message"] for cause in details.get("causes", [])}
        step = causes.get("NextStep", "none")
        print(f"denied: {status['message']}\nnext step: {step}", flush=True)
        if step == "retry":
            time.sleep(details.get("retryAfterSeconds", RETRY_SECONDS))
        elif step == "request" and "IntentRequired" in causes:
            explain()
        elif step == "request" and "ApprovalTicket" in causes:
            await_approval(causes["ApprovalTicket"])
        else:
            raise Refused(status["message"])


def await_approval(ticket):
    namespace, name = ticket.split("/")
    print(f"waiting until somebody approves ticket {name}", flush=True)
    approved = f"--timeout={APPROVAL_TIMEOUT}", "--for=state=Approved"
    try:
        kubectl("countersign", "wait", name, "-n", namespace, *approved)
    except subprocess.CalledProcessError as ended:
        raise Refused(f"ticket {name} was not approved: {ended.stdout}{ended.stderr}") from ended


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("namespace")
    parser.add_argument("configmap")
    parser.add_argument("--environment", default="prod", help="that of the namespace")
    parser.add_argument("--key", required=True, help="file of the agent's private key")
    parser.add_argument("--reason", required=True, help="why it goes")
    asked = parser.parse_args()

    cluster = Cluster()
    path = f"/api/v1/namespaces/{asked.namespace}/configmaps/{asked.configmap}"
    resource = f"configmaps:{asked.namespace}/{asked.environment}/{asked.configmap}"

    def explain():
        print(f"logging an intent: {asked.reason}", flush=True)
        signed = f"--deletes={resource}", f"--reason={asked.reason}", f"--key={asked.key}"
        kubectl("countersign", "intent", "log", "--action=object.configmaps.delete", *signed)

    try:
        made(lambda: cluster.send("DELETE", path), explain)
    except Refused as refused:
        sys.exit(f"given up: {refused}")
    print(f"deleted: {asked.configmap}")


if __name__ == "__main__":
    main()
