"""The boards: the Pi, the Debian suite, and the files of that Pi's kernel in /proc and /sys."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Processor:
    """The entry of each of the four cores in /proc/cpuinfo, and the processor that qemu emulates."""

    qemu: str
    features: str
    variant: str
    part: str
    revision: int
    bogomips: str
    model_name: str = ""  # 32-bit kernels only


CORTEX_A72 = Processor(
    qemu="cortex-a72",
    features="fp asimd evtstrm crc32 cpuid",
    variant="0x0",
    part="0xd08",
    revision=3,
    bogomips="108.00",
)
CORTEX_A76 = Processor(
    qemu="cortex-a76",
    features="fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    variant="0x4",
    part="0xd0b",
    revision=1,
    bogomips="108.00",
)
# qemu-arm has no Cortex-A53; the A15 is the nearest it has: ARMv7 with NEON, VFPv4 and hardware division.
CORTEX_A53_32_BIT = Processor(
    qemu="cortex-a15",
    features="half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm",
    variant="0x0",
    part="0xd03",
    revision=4,
    bogomips="38.40",
    model_name="ARMv7 Processor rev 4 (v7l)",
)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A kind of board: the hardware and the Debian on it."""

    hardware: str
    hardware_revision: str
    processor: Processor
    suite: str
    architecture: str
    python: str
    glibc_minor: int

    @property
    def machine(self) -> str:
        """What `uname -m` prints, which is also how wheels name it."""
        return {"arm64": "aarch64", "armhf": "armv7l"}[self.architecture]

    def cpuinfo(self) -> str:
        """Return the text of /proc/cpuinfo."""
        processor = self.processor
        name = f"model name\t: {processor.model_name}\n" if processor.model_name else ""
        core = (
            f"{name}BogoMIPS\t: {processor.bogomips}\nFeatures\t: {processor.features}\nCPU implementer\t: 0x41\n"
            f"CPU architecture: {8 if self.architecture == 'arm64' else 7}\nCPU variant\t: {processor.variant}\n"
            f"CPU part\t: {processor.part}\nCPU revision\t: {processor.revision}\n\n"
        )
        cores = "".join(f"processor\t: {index}\n{core}" for index in range(4))
        return f"{cores}Revision\t: {self.hardware_revision}\nSerial\t\t: {'0' * 16}\nModel\t\t: {self.hardware}\n"

    def sysfs(self) -> dict[str, str]:
        """Return the files under /sys that the project and its interpreters read, with their contents."""
        cpu = "devices/system/cpu"
        files = {
            "firmware/devicetree/base/model": f"{self.hardware}\0",
            "class/thermal/thermal_zone0/type": "cpu-thermal\n",
            "class/thermal/thermal_zone0/temp": "48312\n",
        }
        files |= {f"{cpu}/{name}": "0-3\n" for name in ("possible", "present", "online")}
        for index in range(4):
            files[f"{cpu}/cpu{index}/topology/physical_package_id"] = "0\n"
            files[f"{cpu}/cpu{index}/topology/cluster_cpus_list"] = "0-3\n"
            files[f"{cpu}/cpu{index}/cpufreq/scaling_governor"] = "ondemand\n"
        return files


PI5 = Model(
    hardware="Raspberry Pi 5 Model B Rev 1.0",
    hardware_revision="c04170",
    processor=CORTEX_A76,
    suite="bookworm",
    architecture="arm64",
    python="3.11",
    glibc_minor=36,
)
PI4 = replace(PI5, hardware="Raspberry Pi 4 Model B Rev 1.4", hardware_revision="c03114", processor=CORTEX_A72)
PI3_32_BIT = replace(
    PI5,
    hardware="Raspberry Pi 3 Model B Plus Rev 1.3",
    hardware_revision="a020d3",
    processor=CORTEX_A53_32_BIT,
    architecture="armhf",
)


def _with_trixie(model: Model) -> Model:
    return replace(model, suite="trixie", python="3.13", glibc_minor=41)


MODELS = {
    "pi5-bookworm": PI5,
    "pi4-bookworm": PI4,
    "pi5-trixie": _with_trixie(PI5),
    "pi4-trixie": _with_trixie(PI4),
    "pi-armhf": PI3_32_BIT,
}
