"""The filter ``cidr``: whether an address of the event lies in one of some networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option
from ptingest.pipeline.logstash.refreshed_file import RefreshedFile
from ptingest.pipeline.logstash.sprintf import compile_template

Network = IPv4Network | IPv6Network
Networks = Callable[[Event], list[Network]]
OPTIONS = (
    Option("address", "array", [], is_required=True),
    Option("network", "array", []),
    Option("network_path", "path"),
    Option("refresh_interval", "number", 600),
    Option("separator", default="\n"),
)


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; texts that are no address or network are passed over."""
    options, matched = setup.options, setup.matched
    templates = [compile_template(str(one)) for one in options["address"]]
    networks = _networks(setup)

    def cidr(event: Event) -> None:
        addresses = [found for one in templates if (found := network_of(one(event))) is not None]
        own_networks = networks(event)
        if any(_contains(network, address) for address in addresses for network in own_networks):
            matched(event)

    return cidr


def _contains(network: Network, address: Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(address, IPv4Network) and address.subnet_of(network)
    return isinstance(address, IPv6Network) and address.subnet_of(network)


@lru_cache(maxsize=10_000)
def network_of(text: str) -> Network | None:
    """Return an address or a network; host bits do not count. None: it is neither."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _networks(setup: FilterSetup) -> Networks:
    options = setup.options
    if options["network_path"] is None:
        templates = [compile_template(str(one)) for one in options["network"]]
        if not any("%{" in str(one) for one in options["network"]):
            known = _known(text for one in options["network"] for text in str(one).split(","))
            return lambda _event: known
        return lambda event: _known(
            text for template in templates for text in template(event).split(",")
        )
    if options["network"]:
        raise options.refuse("network and network_path exclude each other", "network_path")
    separator = options["separator"]

    def read(path: Path) -> list[Network]:
        texts = path.read_text(encoding="utf-8").split(separator)
        if not any(texts):
            raise ValueError("it is empty")
        return _known(texts)

    file = RefreshedFile(setup, "network_path", read)
    return lambda event: file.content(event.now_ns)


def _known(texts: Iterable[str]) -> list[Network]:
    found = (network_of(text.strip()) for text in texts)
    return [network for network in found if network is not None]
