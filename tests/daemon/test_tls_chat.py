"""The tests of the chat and some of natter.v1, over TLS. All others: NATTERD_TLS=1 tests/daemon/run -k …"""
# ruff: noqa: F403, F401
from test_chat import *
from test_v1_order import test_joined_comes_before_all_and_nothing_after_leave, test_one_order_for_all_members_on_all_workers

WORKERS = [2]
TLS = True
