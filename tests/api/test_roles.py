"""Streams may have processes of their own."""

from dataclasses import replace

from running import Project, Running


async def test_a_process_serves_what_its_role_says(tidings: Running, project: Project) -> None:
    streams = replace(project, base_url=(await tidings.another_api(role="stream")).base_url)
    requests = replace(project, base_url=(await tidings.another_api(role="api")).base_url)
    token = {"Authorization": f"Bearer {await requests.token('alice')}"}

    identity = await requests.publish("through the one", ["alice"])
    await streams.call("POST", "/v1/notifications", {"to": ["alice"], "title": "Hi"}, expect=404)
    await requests.call("GET", "/v1/stream/poll", expect=404, **token)
    log = await streams.call("GET", "/v1/events?after=0&wait=10")
    while identity not in [event.get("notification") for event in log["events"]]:
        log = await streams.call("GET", f"/v1/events?after={log['next']}&wait=10")
