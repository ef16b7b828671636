"""No connection is made to what is not the public internet, however the URL is written and wherever a name leads."""

from collections.abc import AsyncIterator

import pytest
from outbound.ground import EVERYTHING, Server, allowing, names

from tidings.outbound.client import Outbound, open_outbound
from tidings.outbound.errors import Blocked, NotResolved, OutboundFailed, TlsFailed
from tidings.outbound.networks import policy_of
from tidings.outbound.urls import check_url
from tidings.settings import Settings

ADDRESSES = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:8.8.8.8]",
    "[0:0:0:0:0:ffff:10.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::10.0.0.1]",
    "[100::1]",
    "[2001::1]",
    "[2001:0:7f00:1::]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[2001:db8::1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[3fff::1]",
    "[4000::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fdff:ffff::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[ff0e::1]",
]
# The same addresses, as URL parsers of browsers and of C libraries know them.
DISGUISES = [
    "https://①②⑦.⓪.⓪.①/",
    "https://１２７.0.0.1/",
    "https://127。0。0。1/",
    "https://169.254.169.254:443/",
    "HTTPS://127.0.0.1/",
    "https://127.0.0.1?x=https://example.com/",
    "https://[0000:0000:0000:0000:0000:0000:0000:0001]/",
]
NEVER = [
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0x7F.0x0.0x0.0x1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.0.0.1./",
    "https://127.0.0.01/",
    "https://256.256.256.256/",
    "https://1.2.3.4.5/",
    "https://localhost./",
    "https://127%2e0.0.1/",
    "https://%6c%6f%63%61%6c%68%6f%73%74/",
    "https://[fe80::1%25lo]/",
    "https://[::1%25]/",
    "https://[v1.x]/",
    "https://[::1]evil.example/",
    "https://[::1/",
    "https://١٢٧.0.0.1/",
    "https://user@127.0.0.1/",
    "https://user:secret@example.com/",
    "https://example.com@127.0.0.1/",
    "https://@127.0.0.1/",
    "https://127.0.0.1\\@example.com/",
    "https://example.com\\.internal/",
    "https://127.0.0.1\t/",
    "https://127.0.\n0.1/",
    " https://127.0.0.1/",
    "https://exa mple.com/",
    "https://example.com\x00.internal/",
    "https://exam\u200bple.com/",
    "https://a\u2100b.com/",
    "https://127.0.0.1#@example.com/",
    "https://127.0.0.1:/",
    "https://127.0.0.1:0/",
    "https://127.0.0.1:70000/",
    "https://127.0.0.1:+80/",
    "https://127.0.0.1:４４３/",
    "https://127.0.0.1:80:443/",
    "https:///127.0.0.1/",
    "https:127.0.0.1",
    "//127.0.0.1/",
    "127.0.0.1",
    "",
    "https://",
    "https://.example.com/",
    "https://a..example.com/",
    "https://-a.example.com/",
    f"https://{'a' * 64}.example.com/",
    "https://example.com/" + "x" * 2040,
    "ftp://127.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "unix:///run/docker.sock",
    "ws://127.0.0.1/",
    "javascript:alert(1)",
]
LEADS = {
    "localhost": ["127.0.0.1", "::1"],
    "sub.localhost": ["127.0.0.1"],
    "private.example": ["10.0.0.5"],
    "metadata.google.internal": ["169.254.169.254"],
    "mapped.example": ["::ffff:10.0.0.5"],
    "nat64.example": ["64:ff9b::a00:5"],
    "mixed.example": ["93.184.215.14", "10.0.0.5"],
    "mixed-last.example": ["2606:2800:21f::1", "93.184.215.14", "fd00::1"],
    "xn--bcher-kva.example": ["192.168.1.1"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "under_score.example": ["172.17.0.1"],
}


@pytest.fixture(scope="module")
async def guarded() -> AsyncIterator[Outbound]:
    """As a deployment has it that sets nothing."""
    async with open_outbound(Settings(), names(LEADS)) as client:
        yield client


@pytest.fixture(scope="module")
async def unguarded() -> AsyncIterator[Outbound]:
    async with open_outbound(EVERYTHING, names(LEADS)) as client:
        yield client


async def attempted(url: str, client: Outbound) -> OutboundFailed | None:
    try:
        await client.request("POST", url, body=b"{}", timeout_s=10)
    except OutboundFailed as error:
        return error
    return None


@pytest.mark.parametrize(
    "url",
    [f"{scheme}://{address}/" for address in ADDRESSES for scheme in ("https", "http")]
    + DISGUISES
    + [f"https://{host}/" for host in LEADS]
    + ["https://LOCALHOST/", "https://ｌｏｃａｌｈｏｓｔ/", "https://BÜCHER.example/"],
)
async def test_what_is_not_public_is_refused_and_only_the_policy_stands_between(
    url: str, guarded: Outbound, unguarded: Outbound, canary: Server, tried: list[list[str]]
) -> None:
    assert isinstance(await attempted(url, guarded), Blocked)
    assert await canary.others() == 0

    # The canary speaks no TLS: what arrives there fails, or is answered, but is not refused.
    assert not isinstance(await attempted(url, unguarded), Blocked)
    assert await canary.others() == 1


@pytest.mark.parametrize("url", NEVER)
async def test_what_is_no_plain_url_is_refused_even_where_everything_is_allowed(
    url: str, unguarded: Outbound, canary: Server, tried: list[list[str]]
) -> None:
    assert isinstance(await attempted(url, unguarded), Blocked)
    assert await canary.others() == 0
    with pytest.raises(Blocked):
        check_url(url, policy_of(EVERYTHING))


@pytest.mark.parametrize(
    "host", ["93.184.215.14", "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]", "1.1.1.1", "100.63.255.255", "172.32.0.1", "192.0.1.1"]
)
async def test_the_public_internet_is_reached(host: str, guarded: Outbound, canary: Server, tried: list[list[str]]) -> None:
    assert isinstance(await attempted(f"https://{host}/", guarded), TlsFailed)
    assert await canary.others() == 1


@pytest.mark.parametrize("url", ["http://93.184.215.14/", "http://public.example/"])
async def test_public_addresses_are_spoken_to_by_https_alone(url: str, canary: Server, tried: list[list[str]]) -> None:
    for settings in (Settings(), allowing("10.0.0.0/8")):
        async with open_outbound(settings, names({"public.example": ["93.184.215.14"]})) as client:
            with pytest.raises(Blocked, match="https"):
                await client.request("POST", url)
    assert await canary.others() == 0


@pytest.mark.parametrize("port", [22, 25, 53, 465, 587, 3306, 5432, 6379, 6667, 11211, 27017])
async def test_ports_of_other_protocols_are_for_allowed_networks_alone(
    port: int, guarded: Outbound, unguarded: Outbound, canary: Server, tried: list[list[str]]
) -> None:
    refused = await attempted(f"https://93.184.215.14:{port}/", guarded)
    assert isinstance(refused, Blocked)
    assert f"port {port} " in refused.detail
    assert await canary.others() == 0

    await attempted(f"https://10.0.0.1:{port}/", unguarded)
    assert await canary.others() == 1


async def test_a_denied_network_is_refused_though_it_is_allowed_or_public(canary: Server, tried: list[list[str]]) -> None:
    settings = allowing("10.0.0.0/8", "64:ff9b::/96", deny=["10.1.0.0/16", "93.184.215.0/24"])
    async with open_outbound(settings) as client:
        for host in ("10.1.0.1", "93.184.215.14", "[64:ff9b::10.1.0.1]"):
            assert isinstance(await attempted(f"https://{host}/", client), Blocked)
        assert await canary.others() == 0
        await attempted("https://10.2.0.1/", client)
        assert await canary.others() == 1


async def test_an_allowed_tunnel_leads_to_public_addresses_alone(canary: Server, tried: list[list[str]]) -> None:
    settings = allowing("64:ff9b::/96", "2002::/16", "2001::/32")
    async with open_outbound(settings) as client:
        for url in (
            "https://[64:ff9b::10.0.0.1]/",
            "https://[2002:a9fe:a9fe::1]/",
            "https://[2001:0:0808:0808::f5ff:fffe]/",  # Teredo of 10.0.0.1
            "http://[64:ff9b::8.8.8.8]/",
            "https://[64:ff9b::8.8.8.8]:25/",
        ):
            assert isinstance(await attempted(url, client), Blocked)
        assert await canary.others() == 0
        await attempted("https://[64:ff9b::8.8.8.8]/", client)
        assert await canary.others() == 1


async def test_the_sentence_tells_no_address_that_a_name_leads_to(guarded: Outbound) -> None:
    refused = await attempted("https://private.example/hook?key=hunter2", guarded)
    assert isinstance(refused, Blocked)
    assert refused.detail == "private.example leads to a private address (RFC 1918), which TIDINGS_OUTBOUND_ALLOW does not name."
    assert refused.address == "10.0.0.5"
    assert not refused.may_have_arrived


async def test_a_name_without_an_address_is_said_to_be_one(guarded: Outbound) -> None:
    failed = await attempted("https://nowhere.example/hook?key=hunter2", guarded)
    assert isinstance(failed, NotResolved)
    assert "nowhere.example has no address" in failed.detail
    assert "hunter2" not in failed.detail


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("https://hooks.example/a?b=c", Settings()),
        ("https://hooks.example:8443", Settings()),
        ("https://BÜCHER.example/ü", Settings()),
        ("https://1.1.1.1/", Settings()),
        ("https://not-resolved-here.internal/", Settings()),
        ("http://hooks.internal/", allowing("10.0.0.0/8")),
        ("http://10.0.0.1:8080/", allowing("10.0.0.0/8")),
        ("https://example.com/" + "x" * 2028, Settings()),
        ("https://example.com/@a:b%20c", Settings()),
    ],
)
def test_a_url_that_can_be_sent_to_is_accepted(url: str, settings: Settings) -> None:
    check_url(url, policy_of(settings))


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "https://1.1.1.1:25/", "http://hooks.example/", "http://1.1.1.1/"])
def test_what_can_be_told_without_a_name_server_is_told_when_a_url_is_given(url: str) -> None:
    with pytest.raises(Blocked):
        check_url(url, policy_of(Settings()))
