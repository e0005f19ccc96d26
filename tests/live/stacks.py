"""Servers, masters and intruders of the live tests, on stacks that know nothing of the sensor: stacks.py WHAT ADDRESS.

WHAT is modbus-server, modbus-master, modbus-intruder, and the same for s7 and dnp3. A master polls until it is ended; an
intruder does one thing, prints when it began, and ends.
"""
import asyncio
import logging
import sys
import time

WHAT, ADDRESS = sys.argv[1:3]


def began():
    print(f"{time.time():.6f}", flush=True)


# ------------------------------------------------------------------------------------------------------------- Modbus


async def modbus_server():
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    bits = [SimData(0, values=[n % 3 == 0 for n in range(64)], datatype=DataType.BITS)]
    registers = [SimData(0, values=[(n * 7) % 500 for n in range(64)], datatype=DataType.REGISTERS)]
    await ModbusTcpServer([SimDevice(1, simdata=(bits, bits, registers, registers))], address=(ADDRESS, 502)).serve_forever()


async def modbus_client():
    from pymodbus.client import AsyncModbusTcpClient

    client = AsyncModbusTcpClient(ADDRESS, port=502, timeout=2)
    for _ in range(50):
        if await client.connect():
            return client
        await asyncio.sleep(0.2)
    sys.exit("no connection")


async def modbus_master():
    client = await modbus_client()
    while True:
        await client.read_holding_registers(0, count=10, device_id=1)
        await client.read_coils(0, count=16, device_id=1)
        await asyncio.sleep(0.2)


async def modbus_intruder():
    client = await modbus_client()
    began()
    await client.write_coil(3, True, device_id=1)
    await client.write_register(5, 4242, device_id=1)
    client.close()


# ----------------------------------------------------------------------------------------------------------------- S7


async def s7_server():
    from snap7.server import Server
    from snap7.type import SrvArea

    server = Server(log=False)
    for area, number, size in ((SrvArea.DB, 10, 256), (SrvArea.PE, 0, 64), (SrvArea.PA, 0, 64), (SrvArea.MK, 0, 256)):
        server.register_area(area, number, bytearray(size))
    server.start_to(ADDRESS, 102)
    while True:
        await asyncio.sleep(1)


def s7_client():
    from snap7.client import Client

    for _ in range(50):
        client = Client()
        try:
            client.connect(ADDRESS, 0, 1)
            return client
        except Exception:  # the library raises whatever the socket did
            time.sleep(0.2)
    sys.exit("no connection")


async def s7_master():
    client = s7_client()
    while True:
        client.db_read(10, 0, 20)
        await asyncio.sleep(0.2)


async def s7_intruder():
    client = s7_client()
    began()
    client.plc_stop()
    client.disconnect()


# --------------------------------------------------------------------------------------------------------------- DNP3


async def dnp3_server():
    from dnp3.database import Database
    from dnp3.database.point import AnalogInputConfig, EventClass
    from dnp3.outstation.config import OutstationConfig
    from dnp3.outstation.handler import DefaultCommandHandler
    from dnp3.outstation.outstation import Outstation
    from dnp3.outstation.tcp_runner import OutstationTcpRunner

    class Channel:
        """What dnp3py wants of a connection."""

        def __init__(self, reader, writer):
            self.reader, self.writer = reader, writer

        async def read(self, size):
            return await self.reader.read(size)

        async def write_all(self, data):
            self.writer.write(data)
            await self.writer.drain()

        async def close(self):
            self.writer.close()

    points = Database()
    for n in range(8):
        points.add_analog_input(n, AnalogInputConfig(event_class=EventClass.CLASS_2), value=100.0 * n)
    outstation = Outstation(config=OutstationConfig(address=10, time_sync_required=False), database=points, handler=DefaultCommandHandler())
    outstation.clear_restart()
    runner = OutstationTcpRunner(outstation=outstation)

    async def connected(reader, writer):
        await runner._handle_connection(Channel(reader, writer))  # run() itself serves one master at a time

    async with await asyncio.start_server(connected, ADDRESS, 20000):
        await asyncio.Event().wait()


async def dnp3_runner(own):
    from dnp3.master.config import MasterConfig
    from dnp3.master.master import Master
    from dnp3.master.tcp_runner import MasterTcpRunner

    for _ in range(50):
        master = Master(config=MasterConfig(address=own, outstation_address=10))
        runner = MasterTcpRunner(master=master, host=ADDRESS, response_timeout=2.0)
        try:
            await runner.open()
            return master, runner
        except Exception:  # whatever the socket did
            await asyncio.sleep(0.2)
    sys.exit("no connection")


async def dnp3_master():
    master, runner = await dnp3_runner(1)
    while True:
        await runner.request(master.build_range_poll(30, 0, 0, 3))
        await asyncio.sleep(0.2)


async def dnp3_intruder():
    from dnp3.application.header import RequestHeader
    from dnp3.core.enums import FunctionCode

    class ColdRestart:
        def __init__(self, sequence):
            self.header = RequestHeader.build(function=FunctionCode.COLD_RESTART, seq=sequence)

        def to_bytes(self):
            return self.header.to_bytes()

    master, runner = await dnp3_runner(66)
    began()
    try:
        await runner.request(ColdRestart(master.next_request_sequence()))
    except Exception as refused:  # the outstation may refuse or not answer: it was sent
        print(f"answer: {refused!r}", file=sys.stderr)


logging.disable(logging.CRITICAL)
asyncio.run(globals()[WHAT.replace("-", "_")]())
