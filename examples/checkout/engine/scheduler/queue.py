import heapq
import itertools


class Queue:
    def __init__(self):
        self._heap, self._n = [], itertools.count()

    def put(self, item, priority=0):
        heapq.heappush(self._heap, (priority, next(self._n), item))

    def get(self):
        return heapq.heappop(self._heap)[2]
