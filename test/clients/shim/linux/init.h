#include "../all.h"
