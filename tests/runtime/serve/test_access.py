"""Who may ask: the token, the names of the server, other websites."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving import Server, serving

TOKEN = "an-example-of-a-secret-1234567890"


@pytest.fixture(scope="module")
def guarded(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a token."""
    path = tmp_path_factory.mktemp("secret") / "token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    with serving(tiny_bundle, "--token-file", path, "--allow-host", "cam.example") as running:
        yield running
        assert running.stop() == ""


def test_nothing_is_answered_without_the_token(guarded: Server) -> None:
    """Every path but the health checks is closed, unknown ones too; the page asks for the token."""
    for path in ("/v1/model", "/v1/state", "/events", "/stream.mjpg", "/metrics", "/docs", "/v2/models/tiny", "/x"):
        reply = guarded.get(path)
        assert reply.status == 401, path
        assert reply.json == {"error": "no token, or a wrong one; send it as 'Authorization: Bearer TOKEN'"}
    assert guarded.request("POST", "/v1/classify", b"x").status == 401
    assert (guarded.get("/").status, guarded.get("/").headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert guarded.get("/v2/health/live").status == guarded.get("/v2/health/ready").status == 200
    assert guarded.get("/healthz").json == {"status": "ok", "source": None}


@pytest.mark.parametrize(
    "sent",
    [
        "Bearer wrong",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer",
        "Bearer \xe9",
    ],
)
def test_a_wrong_token_is_no_token(guarded: Server, sent: str) -> None:
    """Only the whole secret of the right scheme opens."""
    assert guarded.get("/v1/model", Authorization=sent).status == 401


def test_the_token_opens_by_header_and_by_cookie(guarded: Server) -> None:
    """/login turns the header into a cookie that no script reads and no other site sends."""
    header = f"Bearer {TOKEN}"
    assert guarded.get("/v1/model", Authorization=header).status == 200
    assert guarded.get("/healthz", Authorization=header).json["source"]["status"] == "none"
    assert guarded.request("POST", "/login", headers={"Authorization": "Bearer wrong"}).status == 401
    reply = guarded.request("POST", "/login", headers={"Authorization": header})
    assert reply.status == 204
    cookie = reply.headers["set-cookie"]
    name = f"mixer-edge-token-{guarded.port}"  # of this port: another may lead to another board
    assert cookie == f"{name}={TOKEN}; HttpOnly; Max-Age=31536000; Path=/; SameSite=strict"
    assert guarded.get("/v1/model", Cookie=cookie.partition(";")[0]).status == 200
    assert guarded.get("/v1/model", Cookie=f"{name}=wrong").status == 401
    assert guarded.get("/v1/model", Cookie=f'{name}="\x01').status == 401
    assert guarded.get("/v1/model", Cookie=f"mixer-edge-token-1={TOKEN}").status == 401
    assert guarded.get("/v1/model", Cookie=f'{name}="{TOKEN}"').status == 200
    for other in ('prefs={"a": 1}', "foo[bar]=1", "a b", "", "name=\xe9"):  # cookies of other programs on this host
        assert guarded.get("/v1/model", Cookie=f"{other}; {name}={TOKEN}").status == 200, other
    reply = guarded.request("POST", "/login", headers={"Authorization": header, "Host": "[::1]"})
    assert reply.headers["set-cookie"].startswith("mixer-edge-token-default=")


def test_a_get_changes_nothing(guarded: Server) -> None:
    """A link cannot log in."""
    reply = guarded.get("/login", Authorization=f"Bearer {TOKEN}")
    assert (reply.status, "set-cookie" in reply.headers) == (404, False)


def test_only_its_own_names_are_answered(guarded: Server) -> None:
    """A name of somebody else's that leads to this address is refused, whoever asks; addresses are not names."""
    for host in ("localhost", "localhost:8080", "127.0.0.1:1", "[::1]:80", "192.0.2.7", "CAM.example", "cam.example."):
        assert guarded.get("/healthz", Host=host).status == 200, host
    for host in ("evil.example", "localhost.evil.example", "evil.example:80", "", "[", "a@localhost/b", "127.0.0.1.x"):
        reply = guarded.get("/healthz", Host=host)
        assert reply.status == 403, host
        message = f"host {host!r} is not this server; start it with --allow-host, or use its address"
        assert reply.json == {"error": message}


def test_other_websites_are_refused(server: Server, png: bytes) -> None:
    """Without a token, too, no other page may post or embed; following a link to the page is fine."""
    own = f"http://127.0.0.1:{server.port}"
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": f"http://127.0.0.1:{server.port + 1}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        reply = server.request("POST", "/v1/classify", png, headers)
        assert (reply.status, reply.json) == (403, {"error": "the request comes from another website"}), headers
        assert server.request("GET", "/stream.mjpg", headers=headers).status == 403
    for headers in ({"Origin": own}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {}):
        assert server.request("POST", "/v1/classify", png, headers).status == 200, headers
    assert server.get("/", Sec_Fetch_Site="cross-site").status == 200


def test_every_answer_has_the_headers(guarded: Server) -> None:
    """Errors have them too; the pages allow exactly their own script and style, by hash."""
    for path in ("/healthz", "/v1/model", "/nothing"):
        headers = guarded.get(path).headers
        assert headers["content-security-policy"] == (
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    for page in (guarded.get("/"), guarded.get("/", Authorization=f"Bearer {TOKEN}")):
        assert re.fullmatch(
            r"default-src 'none'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            r"frame-ancestors 'none'; script-src 'sha256-[\w+/]{43}='; style-src 'sha256-[\w+/]{43}='",
            page.headers["content-security-policy"],
        )
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cross-origin-resource-policy"] == "same-origin"
        assert page.headers["cross-origin-opener-policy"] == "same-origin"
        assert page.headers["cache-control"] == "no-store"
        assert not [name for name in page.headers if name.startswith("access-control") or name == "server"]
