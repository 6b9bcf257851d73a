"""An API server of a hostile host: HTTP/2 over TLS, one node, and a log of what it was sent.

    fake_api.py ADDRESS PORT CERTIFICATE KEY LOG
"""
import asyncio, json, ssl, sys

import h2.config, h2.connection, h2.events

NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "forged", "resourceVersion": "1"}, "spec": {}, "status": {}}
ANSWERS = {
    "/api/v1": {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "v1", "resources": [
        {"name": "nodes", "singularName": "", "namespaced": False, "kind": "Node", "verbs": ["get", "list"]}]},
    "/api/v1/nodes": {"kind": "NodeList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [NODE]},
    "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.0"},
}
address, port, certificate, key, log = sys.argv[1:]


async def serve(reader, writer):
    conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    conn.initiate_connection()
    writer.write(conn.data_to_send())
    while data := await reader.read(65536):
        for event in conn.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                headers = dict(event.headers)
                with open(log, "a") as out:
                    print(headers.get(":path"), headers.get("authorization", "-"), file=out)
                answer = ANSWERS.get(headers[":path"].split("?")[0])
                conn.send_headers(event.stream_id, [(":status", "200" if answer else "404"), ("content-type", "application/json")])
                conn.send_data(event.stream_id, json.dumps(answer or {"kind": "Status", "code": 404}).encode(), end_stream=True)
        writer.write(conn.data_to_send())


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    await (await asyncio.start_server(serve, address, int(port), ssl=context)).serve_forever()


asyncio.run(main())
