/* For the vec.h instances that have no masks: the first n of V bytes, through the stack. */
static inline vf vbytes_n(const uint8_t *p, int64_t n)
{
    uint8_t all[V] = {0};
    for (int64_t i = 0; i < n; i++)
        all[i] = p[i];
    return vbytes(all);
}

static inline void vbytes_store_n(uint8_t *p, vf a, int64_t n)
{
    uint8_t all[V];
    vbytes_store(all, a);
    for (int64_t i = 0; i < n; i++)
        p[i] = all[i];
}
