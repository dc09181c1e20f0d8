"""The client's address behind trusted proxies, which a client cannot forge."""

import pytest

from service.auth.client_address import ClientResolver, NetworkSet, client_address, network_of
from service.errors import ConfigurationError
from service.settings import Settings

TRUSTED = NetworkSet(["127.0.0.1/32", "::1/128", "10.0.0.0/8"], "trusted_proxies")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        pytest.param("203.0.113.9", "", "203.0.113.9", id="no proxy"),
        pytest.param("203.0.113.9", "198.51.100.1", "203.0.113.9", id="forged by an untrusted peer"),
        pytest.param("127.0.0.1", "198.51.100.1", "198.51.100.1", id="one proxy"),
        pytest.param("127.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1", id="left entry forged by the client"),
        pytest.param("127.0.0.1", "6.6.6.6, 198.51.100.1, 10.1.2.3", "198.51.100.1", id="two proxies"),
        pytest.param("127.0.0.1", "10.1.2.3, 10.1.2.4", "10.1.2.3", id="only proxies"),
        pytest.param("127.0.0.1", "198.51.100.1, rubbish", "127.0.0.1", id="not an address"),
        pytest.param("127.0.0.1", "198.51.100.1, rubbish, 10.1.2.3", "10.1.2.3", id="not an address further left"),
        pytest.param("127.0.0.1", ",,", "127.0.0.1", id="empty entries"),
        pytest.param("::1", "[2001:db8::7]:1234", "2001:db8::7", id="IPv6 with a port"),
        pytest.param("::ffff:127.0.0.1", "198.51.100.1:80", "198.51.100.1", id="IPv4-mapped proxy"),
        pytest.param("::ffff:10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1", id="IPv4-mapped client"),
        pytest.param("", "198.51.100.1", "", id="Unix socket that is not trusted"),
    ],
)
def test_the_rightmost_untrusted_address_is_the_client(peer, forwarded, client):
    assert client_address(peer, forwarded, TRUSTED) == client


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("", "unknown"),
        ("rubbish", "unknown"),
    ],
)
def test_a_network_is_an_ipv4_address_or_an_ipv6_64(address, network):
    assert network_of(address) == network


def test_proxies_are_trusted_by_network():
    trusted = [TRUSTED.contains(peer) for peer in ("10.9.9.9", "::ffff:10.0.0.1", "11.0.0.1", "", "x")]
    assert trusted == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        pytest.param("", "198.51.100.1", "198.51.100.1", id="one proxy"),
        pytest.param("", "6.6.6.6, 198.51.100.1, 10.1.2.3", "198.51.100.1", id="two proxies"),
        pytest.param("", "10.1.2.3", "10.1.2.3", id="only proxies"),
        pytest.param("", "", "", id="no header"),
        pytest.param("", "198.51.100.1, rubbish", "", id="not an address"),
        pytest.param("203.0.113.9", "198.51.100.1", "203.0.113.9", id="TCP peer that is not trusted"),
        pytest.param("rubbish", "198.51.100.1", "", id="peer that is neither"),
    ],
)
def test_a_listed_unix_socket_is_a_trusted_proxy(peer, forwarded, client):
    assert client_address(peer, forwarded, NetworkSet(["10.0.0.0/8", "unix:"], "trusted_proxies")) == client


def test_unix_sockets_are_trusted_by_default_and_not_by_a_list_without_them():
    by_default, by_list = ClientResolver(Settings()), ClientResolver(Settings(trusted_proxies=["127.0.0.1/32"]))
    https = {"REMOTE_ADDR": "", "HTTP_X_FORWARDED_PROTO": "https", "wsgi.url_scheme": "http"}
    for clients, trusted in ((by_default, True), (by_list, False)):
        assert clients.is_trusted_proxy("") is clients.is_https(https) is trusted


def test_the_warning_about_an_untrusted_unix_socket_names_the_entry_that_is_missing(capsys):
    clients = ClientResolver(Settings(trusted_proxies=["127.0.0.1/32"]))
    assert clients.limited_network({"REMOTE_ADDR": "", "HTTP_X_FORWARDED_FOR": "198.51.100.1"}) == "unknown"
    assert "unix:" in capsys.readouterr().out


def test_an_ipv4_mapped_address_is_treated_as_ipv4():
    """A socket that listens on IPv6 and IPv4 reports IPv4 clients as ::ffff:1.2.3.4."""
    clients = ClientResolver(Settings(trusted_proxies=["10.0.0.0/8"], unlimited_networks=["192.0.2.0/24"]))

    def network(peer: str, forwarded: str = "") -> str:
        return clients.limited_network({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded})

    assert network("::ffff:198.51.100.1") == network("198.51.100.1") == "198.51.100.1"
    assert network("::ffff:10.0.0.1", "198.51.100.1") == "198.51.100.1"
    assert network("::ffff:192.0.2.1") == ""
    assert clients.is_trusted_proxy("::ffff:10.0.0.1")
    assert not clients.is_trusted_proxy("::ffff:11.0.0.1")


def test_the_error_names_an_invalid_network():
    with pytest.raises(ConfigurationError, match=r"LIKEWISE_TRUSTED_PROXIES.*10\.0\.0\.0/33"):
        NetworkSet(["10.0.0.0/33"], "trusted_proxies")
