#!/usr/bin/python3
"""zones_of_number() against libphonenumber's own mapper in its Python port: an example number of each kind of each
region and country code.

    number_zones.py ZONES_OF number_zones.txt

77: the installed python3-phonenumbers is missing, or of another version than the table.
"""
import subprocess
import sys

try:
    import phonenumbers
    from phonenumbers import PhoneNumberFormat, PhoneNumberType, timezone
except ImportError:
    print("python3-phonenumbers is not installed", file=sys.stderr)
    sys.exit(77)

INDONESIA = 62


def examples():
    types = [t for t in PhoneNumberType.values() if t != PhoneNumberType.UNKNOWN]
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in types:
            yield f"{region} {PhoneNumberType.to_string(kind)}", phonenumbers.example_number_for_type(region, kind)
    for code in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS):
        yield f"+{code}", phonenumbers.example_number_for_non_geo_entity(code)


def expected(number):
    mobile = phonenumbers.number_type(number) == PhoneNumberType.MOBILE
    if mobile and number.country_code == INDONESIA:  # the one place where we know better, see number_zones.cpp
        return "&".join(timezone.TIMEZONE_DATA[str(INDONESIA)])
    zones = "&".join(timezone.time_zones_for_number(number))
    return "" if zones == timezone.UNKNOWN_TIMEZONE else zones


def main():
    with open(sys.argv[2], encoding="utf-8") as table:
        if f"libphonenumber {phonenumbers.__version__}," not in table.read():
            print(f"the table is of another version than the installed {phonenumbers.__version__}", file=sys.stderr)
            return 77
    asked = [(what, number) for what, number in examples() if number]
    texts = [phonenumbers.format_number(number, PhoneNumberFormat.E164) for _, number in asked]
    answers = subprocess.run([sys.argv[1]], input="\n".join(texts) + "\n", capture_output=True, text=True,
                             check=True, timeout=60).stdout.split("\n")[:-1]
    wrong = [f"{what}: {text}: {answer or 'nothing'}, not {expected(number) or 'nothing'}"
             for (what, number), text, answer in zip(asked, texts, answers, strict=True) if answer != expected(number)]
    print("\n".join(wrong) if wrong else f"{len(asked)} numbers of {len(phonenumbers.SUPPORTED_REGIONS)} regions")
    return 1 if wrong or len(asked) < 1000 else 0


sys.exit(main())
