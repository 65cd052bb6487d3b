"""What else the machine is doing."""

import os
import time


def busy():
    """Cores that other processes hold."""

    def used():
        with open("/proc/stat", encoding="ascii") as lines:
            numbers = [int(number) for number in lines.readline().split()[1:]]
        return sum(numbers[:3]) + sum(numbers[5:8])

    start = used()
    time.sleep(1)
    return (used() - start) / os.sysconf("SC_CLK_TCK")
