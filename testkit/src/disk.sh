# Stands above one small disk. Its standard input is a pipe whose other end the test process holds; its end, which comes
# however that process ends, takes the disk away.
#
# Arguments: the folder to put it at, its size.

trap '' HUP INT TERM PIPE
if mount -t tmpfs -o "size=$2,mode=1777" testkit "$1"; then echo ok; else echo failed; fi
cat >/dev/null
cd /
umount "$1" 2>/dev/null || umount -l "$1" 2>/dev/null
rmdir "$1"
