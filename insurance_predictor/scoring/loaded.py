"""What scores by a version, loaded with this module by the process that others are copies of.

They have it in memory together: what looked through it for garbage would write to it.
"""

import gc

import pyarrow as pa

from insurance_predictor.base.memory import keep_freed_memory
from insurance_predictor.scoring.workers import load

gc.disable()
load()
gc.freeze()
pa.set_memory_pool(pa.system_memory_pool())
keep_freed_memory()
