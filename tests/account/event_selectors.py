"""What a trail records: its Regions, and its basic or advanced event selectors as CloudTrail reads them."""

from dataclasses import dataclass

from account.event_history import DATA, category
from account.records import GLOBAL_SERVICES

# What a service's data events are called in selectors.
DATA_TYPES = {"lambda": "AWS::Lambda::Function", "s3": "AWS::S3::Object", "dynamodb": "AWS::DynamoDB::Table"}
EVERYTHING = {"AWS::Lambda::Function": ("arn:aws:lambda",), "AWS::S3::Object": ("arn:aws:s3", "arn:aws:s3:::"),
              "AWS::DynamoDB::Table": ("arn:aws:dynamodb",)}


@dataclass(frozen=True)
class Recording:
    """A trail that is logging, as it was set when a call came in."""

    account: str
    home: str
    name: str
    settings: dict
    selectors: list

    @property
    def key(self) -> tuple:
        return self.account, self.home, self.name

    def records(self, record: dict) -> bool:
        source = str(record.get("eventSource", "")).partition(".")[0]
        if source in GLOBAL_SERVICES and not self.settings.get("IncludeGlobalServiceEvents", True):
            return False
        return any((_advanced if "FieldSelectors" in selector else _basic)(selector, record) for selector in self.selectors)

    def wants_data(self, service: str) -> bool:
        """Whether some selector may ask for data events of a service: without one they are not even looked at."""
        wanted = DATA_TYPES.get(service)
        return any(wanted in (data.get("Type") for data in selector.get("DataResources") or ()) or any(
            field.get("Field") == "eventCategory" and "Data" in field.get("Equals", ())
            for field in selector.get("FieldSelectors") or ()) for selector in self.selectors)


def recordings(account: str, region: str) -> list[Recording]:
    """The trails of an account that are logging what happens in a Region."""
    return [recording for recording in recordings_everywhere() if recording.account == account
            and (recording.home == region or recording.settings.get("IsMultiRegionTrail"))]


def recordings_everywhere() -> list[Recording]:
    from ministack.services import cloudtrail
    return [Recording(account, home, name, settings, cloudtrail._event_selectors.get_scoped(
                account, home, name, cloudtrail._DEFAULT_EVENT_SELECTORS))
            for (account, home, name), settings in list(cloudtrail._trails._data.items()) if settings.get("IsLogging")]


def _basic(selector: dict, record: dict) -> bool:
    wanted = selector.get("ReadWriteType", "All")
    if wanted != "All" and (wanted == "ReadOnly") != bool(record.get("readOnly")):
        return False
    if category(record) != DATA:
        return (selector.get("IncludeManagementEvents", True)
                and record.get("eventSource") not in (selector.get("ExcludeManagementEventSources") or ()))
    return any(resource.get("type") == data.get("Type") and any(_names(value, resource) for value in data.get("Values") or ())
               for data in selector.get("DataResources") or () for resource in record.get("resources") or ())


def _names(value: str, resource: dict) -> bool:
    kind, arn = resource["type"], resource.get("ARN") or resource.get("ARNPrefix", "")
    # S3 objects are named by a prefix, functions and tables by their whole ARN.
    return value in EVERYTHING.get(kind, ()) or (arn.startswith(value) if kind == "AWS::S3::Object" else arn == value)


OPERATORS = {"Equals": str.__eq__, "StartsWith": str.startswith, "EndsWith": str.endswith}


def _advanced(selector: dict, record: dict) -> bool:
    """Every field must agree: with one of the values it names, and with none of those it excludes."""
    for field in selector["FieldSelectors"]:
        values = _field(field.get("Field"), record)
        for operator, agrees in OPERATORS.items():
            if operator in field and not any(agrees(value, given) for value in values for given in field[operator]):
                return False
            if any(agrees(value, given) for value in values for given in field.get(f"Not{operator}") or ()):
                return False
    return True


def _field(name: str, record: dict) -> list[str]:
    resources = record.get("resources") or ()
    if name == "resources.type":
        # Of the resources of a data event the first is what the event is about: the object, not its bucket.
        return [resources[0].get("type", "")] if resources else []
    if name == "resources.ARN":
        return [resources[0].get("ARN") or resources[0].get("ARNPrefix", "")] if resources else []
    if name == "eventCategory":
        return [category(record)]
    value = record.get("userIdentity", {}).get("arn") if name == "userIdentity.arn" else record.get(name)
    return [str(value).lower() if isinstance(value, bool) else str(value)] if value is not None else []
