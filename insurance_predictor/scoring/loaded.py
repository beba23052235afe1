"""What scores by a version: a process that imports this module has it, for others to be copies of.

They have it in memory together: nothing of it is looked through for garbage, which would write to it.
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
