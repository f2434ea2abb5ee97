"""What systemd forbids a service on a board, as far as the user's systemd can.

Tried on Debian 12 (systemd 252) with each option alone. These work for every user, with a flag of the process or a
filter of system calls: ``NoNewPrivileges``, ``LockPersonality``, ``MemoryDenyWriteExecute``, ``RestrictNamespaces``,
``RestrictAddressFamilies``, ``RestrictRealtime``, ``RestrictSUIDSGID``, ``SystemCallArchitectures``,
``SystemCallFilter``, ``UMask``.

What needs mounts or a capability (``ProtectSystem``, ``ProtectHome``, ``PrivateTmp``, ``ProtectControlGroups``,
``ProtectKernelTunables``, ``ProtectHostname``) is ignored silently, unless ``PrivateUsers=yes`` gives the service a
user namespace first. ``PrivateDevices``, ``ProtectKernelModules``, ``ProtectKernelLogs``, ``ProtectClock`` and
``CapabilityBoundingSet`` then work too; without it they let the service fail (218/CAPABILITIES). Where a kernel has no
user namespaces for users, ``PrivateUsers=yes`` lets it fail (217/USER): the unit has none of these lines there.

In the namespace the user and its group keep their numbers. The other groups are shown as 65534 but still count, so a
camera of the group ``video`` can be read. ``ProtectSystem=strict`` leaves ``/home`` as it is; ``ProtectHome`` does not.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a service needs of a board."""

    network: bool
    """Whether it listens on the network."""
    camera: bool
    """Whether it reads a camera, with programs of the board's system that are not ours."""
    devices: bool
    """Whether it opens devices."""
    writes: tuple[str, ...]
    """The folders that it writes to, in the syntax of units; one that is not there is no error."""
    temporary: bool
    """Whether it reads files of others below ``/tmp`` or ``/var/tmp``."""


def sandbox(needs: Needs, *, user_namespaces: bool) -> str:
    """Return the lines of ``[Service]`` that forbid what a service does not need.

    Args:
        needs: what it does need.
        user_namespaces: whether users have user namespaces on the board.
    """
    # libcamera and OpenCV find cameras through udev's netlink socket
    families = ["AF_UNIX", *["AF_INET", "AF_INET6"] * needs.network, *["AF_NETLINK"] * needs.camera]
    lines = [
        "NoNewPrivileges=yes",
        "LockPersonality=yes",
        f"RestrictAddressFamilies={' '.join(families)}",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "SystemCallArchitectures=native",
        "UMask=0077",
    ]
    if not needs.camera:  # nobody has tried these with every driver of a camera
        lines += ["MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service", "SystemCallErrorNumber=EPERM"]
    if user_namespaces:
        lines += [
            "PrivateUsers=yes",
            "ProtectSystem=strict",
            "ProtectHome=read-only",
            "ProtectControlGroups=yes",
            "ProtectKernelLogs=yes",
            "ProtectKernelModules=yes",
            "ProtectKernelTunables=yes",
            "ProtectClock=yes",
            "ProtectHostname=yes",
            "CapabilityBoundingSet=",
            *["PrivateTmp=yes"] * (not needs.temporary),
            *["PrivateDevices=yes"] * (not needs.devices),
            *[f"ReadWritePaths={' '.join(f'-{folder}' for folder in needs.writes)}"] * bool(needs.writes),
        ]
    return "".join(f"{line}\n" for line in lines)
