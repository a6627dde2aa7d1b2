#pragma once
#include <lmdb.h>
// LMDB takes its pages from malloc.
#include <malloc.h>
