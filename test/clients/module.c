/* Runs a kernel module as a program: its beginning must succeed, then its end is called. */
int client_module_init(void);
void client_module_exit(void);

int main(void)
{
    int error = client_module_init();

    if (error)
        return error < 0 ? -error : error;
    client_module_exit();
    return 0;
}
