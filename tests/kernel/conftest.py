"""Kernels for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.kernel.session import KernelSession
from tests.warm import KERNEL


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, warm: object) -> Iterator[KernelSession]:
    """One kernel for the tests of a module, in an empty folder; `fresh_kernel` where a test needs one of its own."""
    session = KernelSession(tmp_path_factory.mktemp("kernel"), name=KERNEL)
    yield session
    session.close()


@pytest.fixture
def fresh_kernel(tmp_path_factory: pytest.TempPathFactory, warm: object) -> Iterator[KernelSession]:
    """A kernel for one test."""
    session = KernelSession(tmp_path_factory.mktemp("kernel"), name=KERNEL)
    yield session
    session.close()
