"""What the filter ``geoip`` takes from a record of a MaxMind database, and where it puts it."""

from __future__ import annotations

from typing import Any, NamedTuple

Record = dict[str, Any]


class GeoPlace(NamedTuple):
    """Where a field goes below the target, as a reference; empty: nowhere."""

    ecs: str
    legacy: str


FIELDS = {
    "autonomous_system_number": GeoPlace("[as][number]", "[asn]"),
    "autonomous_system_organization": GeoPlace("[as][organization][name]", "[as_org]"),
    "city_name": GeoPlace("[geo][city_name]", "[city_name]"),
    "country_name": GeoPlace("[geo][country_name]", "[country_name]"),
    "continent_code": GeoPlace("[geo][continent_code]", "[continent_code]"),
    "continent_name": GeoPlace("[geo][continent_name]", "[continent_name]"),
    "country_code2": GeoPlace("[geo][country_iso_code]", "[country_code2]"),
    "country_code3": GeoPlace("", "[country_code3]"),
    "domain": GeoPlace("[domain]", "[domain]"),
    "ip": GeoPlace("[ip]", "[ip]"),
    "isp": GeoPlace("[mmdb][isp]", "[isp]"),
    "postal_code": GeoPlace("[geo][postal_code]", "[postal_code]"),
    "dma_code": GeoPlace("[mmdb][dma_code]", "[dma_code]"),
    "region_name": GeoPlace("[geo][region_name]", "[region_name]"),
    "region_code": GeoPlace("[geo][region_code]", "[region_code]"),
    "region_iso_code": GeoPlace("[geo][region_iso_code]", "[region_iso_code]"),
    "timezone": GeoPlace("[geo][timezone]", "[timezone]"),
    "location": GeoPlace("[geo][location]", "[location]"),
    "latitude": GeoPlace("[geo][location][lat]", "[latitude]"),
    "longitude": GeoPlace("[geo][location][lon]", "[longitude]"),
    "organization": GeoPlace("[mmdb][organization]", "[organization]"),
    "network": GeoPlace("[ip_traits][network]", "[network]"),
    **{
        name: GeoPlace(f"[ip_traits][{name}]", f"[{name}]")
        for name in (
            "hosting_provider", "tor_exit_node", "anonymous_vpn", "anonymous", "public_proxy",
            "residential_proxy",
        )
    },
}  # fmt: skip
_TRAITS = {
    "hosting_provider": "is_hosting_provider", "tor_exit_node": "is_tor_exit_node",
    "anonymous_vpn": "is_anonymous_vpn", "anonymous": "is_anonymous",
    "public_proxy": "is_public_proxy", "residential_proxy": "is_residential_proxy",
}  # fmt: skip


class GeoDatabase(NamedTuple):
    """One kind of database."""

    kind: str
    """Part of the type that the file names."""
    defaults: tuple[str, ...]
    """Fields that are taken unless the config names others."""
    others: tuple[str, ...] = ()
    """Fields that the config may name beside them."""
    needs_location: bool = False
    """A record without a location counts as none."""


DATABASES = (
    GeoDatabase(
        "City",
        ("ip", "city_name", "continent_code", "country_name", "country_code2", "country_code3",
         "postal_code", "dma_code", "region_name", "region_iso_code", "timezone", "location",
         "latitude", "longitude"),
        ("continent_name", "region_code"), needs_location=True,
    ),
    GeoDatabase("Country", ("ip", "country_code2", "country_name", "continent_name")),
    GeoDatabase("Domain", ("domain",)),
    GeoDatabase(
        "ASN", ("ip", "autonomous_system_number", "autonomous_system_organization"), ("network",)
    ),
    GeoDatabase(
        "ISP",
        ("ip", "autonomous_system_number", "autonomous_system_organization", "isp",
         "organization"),
    ),
    GeoDatabase(
        "Enterprise",
        ("ip", "country_code2", "country_name", "continent_name", "region_iso_code",
         "region_name", "city_name", "location"),
        ("timezone", "autonomous_system_number", "autonomous_system_organization", "network",
         *_TRAITS),
    ),
    GeoDatabase("Anonymous-IP", tuple(_TRAITS), ("ip",)),
)  # fmt: skip


def geo_values(record: Record, *, ip: str, network: str) -> dict[str, Any]:
    """Return every field that the record has a value for.

    Args:
        record: as the database gives it.
        ip: the address as Java prints it.
        network: the network that the record is for.
    """
    subdivision = (record.get("subdivisions") or [{}])[-1]
    country, location = record.get("country", {}), record.get("location", {})
    traits = {**record, **record.get("traits", {})}
    values = {
        "ip": ip,
        "network": network,
        "city_name": _name(record.get("city")),
        "continent_code": record.get("continent", {}).get("code"),
        "continent_name": _name(record.get("continent")),
        "country_name": _name(country),
        "country_code2": country.get("iso_code"),
        "country_code3": country.get("iso_code"),
        "postal_code": record.get("postal", {}).get("code"),
        "dma_code": location.get("metro_code"),
        "region_name": _name(subdivision),
        "region_code": subdivision.get("iso_code"),
        "timezone": location.get("time_zone"),
        "latitude": location.get("latitude"),
        "longitude": location.get("longitude"),
        "domain": traits.get("domain"),
        "isp": traits.get("isp"),
        "organization": traits.get("organization"),
        "autonomous_system_number": traits.get("autonomous_system_number"),
        "autonomous_system_organization": traits.get("autonomous_system_organization"),
        **{name: bool(traits.get(key)) for name, key in _TRAITS.items()},
    }
    if values["country_code2"] and values["region_code"]:
        values["region_iso_code"] = f"{values['country_code2']}-{values['region_code']}"
    if values["latitude"] is not None and values["longitude"] is not None:
        values["location"] = {"lat": values["latitude"], "lon": values["longitude"]}
    return {name: value for name, value in values.items() if value is not None}


def _name(part: Record | None) -> Any:
    names = (part or {}).get("names", {})
    return names.get("en")


def chosen_fields(database: GeoDatabase, wanted: list[str] | None, *, has_ecs: bool) -> list[str]:
    """Return the fields to take: those that the config names, else the database's usual ones."""
    if wanted:
        return [name for name in wanted if name in (*database.defaults, *database.others)]
    if database.kind == "City" and not has_ecs:
        return ["region_code" if one == "region_iso_code" else one for one in database.defaults]
    return list(database.defaults)
