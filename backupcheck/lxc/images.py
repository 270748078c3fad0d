"""The images that boxes and service fixtures start from."""

from __future__ import annotations

from backupcheck.lxc.image import Image

NO_MAIN_CLUSTER = """
mkdir -p "$1/etc/postgresql-common/createcluster.d"
echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.d/no-main.conf"
"""

# What watches folders takes inotify instances, of which all containers together have 128 as a rule.
# A kernel file system cannot be mounted in a user namespace, so its unit would leave systemd `degraded`.
SMALL_SYSTEMD = """
for unit in sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount dev-hugepages.mount \
    dev-mqueue.mount systemd-modules-load.service modprobe@.service systemd-udevd.service \
    systemd-networkd.service systemd-networkd-wait-online.service console-getty.service \
    container-getty@.service systemd-timesyncd.service e2scrub_reap.service apt-daily.timer \
    apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer systemd-logind.service \
    systemd-ask-password-console.path systemd-ask-password-wall.path; do
    ln -sf /dev/null "$1/etc/systemd/system/$unit"
done
mkdir -p "$1/etc/systemd/journald.conf.d"
printf '[Journal]\\nStorage=volatile\\nRuntimeMaxUse=8M\\n' > "$1/etc/systemd/journald.conf.d/small.conf"
rm -f "$1"/etc/ssh/ssh_host_*
"""

# A fixture switches on what it is about, once its data is there.
NOTHING_ENABLED = """
for unit in ssh.service ssh.socket caddy.service postgresql.service; do
    chroot "$1" systemctl disable --quiet "$unit" 2>/dev/null || true
done
"""

BASE = Image(
    name="base",
    packages=("python3", "sqlite3", "catatonit", "ca-certificates"),
)
POSTGRES = Image(
    name="postgres",
    parent=BASE,
    packages=("postgresql", "postgresql-contrib"),
    before_packages=(NO_MAIN_CLUSTER,),
)
CADDY = Image(name="caddy", parent=BASE, packages=("caddy",))
SERVICE = Image(
    name="service",
    parent=BASE,
    packages=("systemd", "systemd-sysv", "dbus", "openssh-server", "rsync", "iproute2", "procps"),
    after_packages=(SMALL_SYSTEMD, NOTHING_ENABLED),
)
