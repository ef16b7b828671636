"""Processes that show what a test says, and a release between two of them on a clock that only waiting moves: no second of it passes."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tidings.releases.colours import Timing
from tidings.releases.plan import Colour, Nginx, Plan

REQUESTS_A_SECOND = 200
# Of those who ask whether it is well, of which none fails: the proxy, Prometheus, whoever watches.
LOOKS_A_SECOND = 4


class Shown:
    """A process that shows what it is told to show; None for nothing."""

    def __init__(self) -> None:
        self.text: str | None = ""


@contextmanager
def process() -> Iterator[tuple[Shown, str]]:
    """And its address."""
    shown = Shown()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if shown.text is not None else 503)
            self.end_headers()
            self.wfile.write((shown.text or "").encode())

        def log_message(self, *said: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield shown, f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Played:
    """Blue is live, green comes. Each gets its share of the requests as nginx was told last.

    errors: by colour, the share of requests that it answers with 500.
    """

    def __init__(self, folder: Path, processes: dict[str, tuple[Shown, str]]) -> None:
        self.shown = {colour: shown for colour, (shown, _) in processes.items()}
        self.colours = {address: colour for colour, (_, address) in processes.items()}
        self.file = folder / "servers.conf"
        plans = {colour: Colour({f"{colour}1": address}) for colour, (_, address) in processes.items()}
        self.plan = Plan(folder / "release.json", "blue", Nginx(self.file, ["true"], ["true"]), plans)
        self.errors = dict.fromkeys(plans, 0.0)
        self.requests = dict.fromkeys(plans, 0.0)
        self.failed = dict.fromkeys(plans, 0.0)
        self.now = 0.0
        self.show()

    def write_plan(self) -> Path:
        """For a command."""
        lines = [f'state = "{self.plan.state}"', 'live = "blue"']
        lines += ["[proxy]", f'kind = "nginx"\nfile = "{self.file}"\ncheck = ["true"]\nreload = ["true"]']
        for address, colour in self.colours.items():
            lines += [f"[colours.{colour}]", f'servers = {{ {colour}1 = "{address}" }}']
        path = self.file.with_name("release.toml")
        path.write_text("\n".join(lines))
        return path

    @property
    def timing(self) -> Timing:
        return Timing(lambda: self.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for colour in self.requests:
            self.requests[colour] += LOOKS_A_SECOND * seconds
        for colour, share in self.shares().items():
            requests = share * REQUESTS_A_SECOND * seconds
            self.requests[colour] += requests
            self.failed[colour] += requests * self.errors[colour]
        self.show()

    def show(self) -> None:
        for colour, shown in self.shown.items():
            good, bad = self.requests[colour] - self.failed[colour], self.failed[colour]
            shown.text = (
                "# TYPE tidings_requests counter\n"
                f'tidings_requests_total{{status="200"}} {good}\ntidings_requests_total{{status="500"}} {bad}\n'
            )

    def shares(self) -> dict[str, float]:
        """As a proxy with this file would divide them."""
        if not self.file.exists():
            return {"blue": 1.0}
        lines = [line.split() for line in self.file.read_text().splitlines() if line.startswith("server")]
        weights = {self.colours[words[1]]: int(words[2].removeprefix("weight=")) for words in lines if words[2].startswith("weight=")}
        return {colour: weight / sum(weights.values()) for colour, weight in weights.items()}


@contextmanager
def played(folder: Path) -> Iterator[Played]:
    with ExitStack() as stack:
        yield Played(folder, {colour: stack.enter_context(process()) for colour in ("blue", "green")})


def quiet(text: str) -> None:
    """Nobody listens."""
